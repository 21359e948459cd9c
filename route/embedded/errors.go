package embedded

import "errors"

// Errors of Open. Each is wrapped in one line that names the folder and says what to do.
var (
	ErrLocked      = errors.New("another process uses the data folder")
	ErrNotWritable = errors.New("the data folder cannot be written")
	ErrForeign     = errors.New("the folder holds something else")
	ErrNewerFormat = errors.New("the data folder was written by a newer version")
)
