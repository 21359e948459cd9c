package route

// Problem is a dependency that does not work at the moment.
type Problem struct {
	Component string // what is broken: store, registry, server
	Detail    string // why, for a person
}
