// Package routes asks one of several routes of a cluster over HTTP, and another one when that gives no answer. It must
// not know what is asked.
package routes
