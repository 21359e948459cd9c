package zkregistry

import (
	"context"

	"cim/route"
)

var _ route.Reporter = (*Registry)(nil)

// Problems implements route.Reporter.
func (r *Registry) Problems(context.Context) []route.Problem {
	if err := r.Err(); err != nil {
		return []route.Problem{{Component: "registry", Detail: err.Error()}}
	}
	return nil
}
