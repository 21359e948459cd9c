package embedded

import (
	"context"

	"cim/route"
)

// renewEntries bounds one renewRequest; a longer Renew is several, so that logins wait for none of them long.
const renewEntries = 256

type renewRequest struct {
	ticket
	renewals []route.Renewal // the caller's; not read outside apply
	answers  []route.Renewed
}

// Renew implements route.Directory. The directory ends with its process, so that in production it never has
// anything to restore.
func (s *Store) Renew(ctx context.Context, renewals []route.Renewal) []route.Renewed {
	answers := make([]route.Renewed, 0, len(renewals))
	for len(renewals) > 0 {
		n := min(len(renewals), renewEntries)
		answers = append(answers, s.renew(ctx, renewals[:n])...)
		renewals = renewals[n:]
	}
	return answers
}

func (s *Store) renew(ctx context.Context, renewals []route.Renewal) []route.Renewed {
	r := &renewRequest{ticket: newTicket(), renewals: renewals, answers: make([]route.Renewed, len(renewals))}
	err := s.submit(ctx, r)
	if err == nil {
		err = r.wait(ctx, s.endedCh)
	}
	if err != nil {
		return renewRefusals(len(renewals), err)
	}
	return r.answers
}

func renewRefusals(n int, err error) []route.Renewed {
	answers := make([]route.Renewed, n)
	for i := range answers {
		answers[i].Err = err
	}
	return answers
}

// first, as with a claim: a message beyond the answer's Inbox is answered with the restored session.
func (q *renewRequest) first() bool { return true }

func (q *renewRequest) weight() int { return 100 * len(q.renewals) }

func (q *renewRequest) apply(r *round) {
	for i := range q.renewals {
		q.answers[i] = r.renew(&q.renewals[i])
	}
}

func (q *renewRequest) finish(_ *Store, err error) {
	if err != nil {
		q.answers = renewRefusals(len(q.answers), err)
	}
}

func (r *round) renew(q *route.Renewal) route.Renewed {
	s := r.store
	in, err := s.inboxes.get(s.db, q.User)
	if err == nil && q.Epoch > s.epochs.last {
		err = s.epochs.reach(s, q.Epoch) // it was given by a store that is gone
	}
	if err != nil {
		return route.Renewed{Err: err}
	}
	state := s.directory.renew(q)
	if state == route.RenewLost {
		return route.Renewed{State: state}
	}
	r.nameLog(in)
	r.tailLost(in, q.Written)
	return route.Renewed{State: state, Inbox: in.position()}
}
