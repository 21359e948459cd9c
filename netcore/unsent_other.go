//go:build !linux

package netcore

import "errors"

// unsentBytes is not known here, so messages to clients of CIM stay in their inbox and come again in their
// next session.
func unsentBytes(int) (int, error) { return 0, errors.ErrUnsupported }
