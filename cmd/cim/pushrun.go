package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"golang.org/x/text/unicode/norm"

	"cim/client"
	cimpb "cim/proto"
)

// Results that no route gives.
const (
	resultReached     = "reached"
	resultUnreachable = "unreachable" // the route could not be reached: nothing was sent
	resultNoAnswer    = "no_answer"   // it may have been sent
	resultNotSent     = "not_sent"    // an earlier failure ended the run
	resultFailed      = "failed"
)

// pushResult is what became of the message for one receiver.
type pushResult struct {
	To        string `json:"to"`
	UserID    int64  `json:"user_id,omitempty"` // 0: there is no such account, or it was not looked for
	Result    string `json:"result"`
	Seq       uint64 `json:"seq,omitempty"`
	LogEpoch  uint64 `json:"log_epoch,omitempty"`
	Duplicate bool   `json:"duplicate,omitempty"`
	Reached   *int   `json:"reached,omitempty"` // connections; of a message to everyone alone
}

// sent reports whether the receiver has it, or will.
func (r *pushResult) sent() bool {
	return r.Result == cimpb.CodeStored.String() || r.Result == cimpb.CodeWritten.String() || r.Reached != nil
}

// momentary reports whether the same may succeed soon.
func (r *pushResult) momentary() bool {
	code, _ := cimpb.ParseCode(r.Result)
	return (&client.StatusError{Code: code}).Retryable()
}

// line is the form for scripts.
func (r *pushResult) line() string {
	who, number := visible(r.To), r.Seq
	if r.UserID != 0 {
		who = strconv.FormatInt(r.UserID, 10)
	}
	if r.Reached != nil {
		number = uint64(*r.Reached)
	}
	return fmt.Sprintf("%s\t%s\t%d\n", who, r.Result, number)
}

// printResult writes to w, whose errors show when it is flushed.
func printResult(w io.Writer, asJSON bool) func(*pushResult) {
	if asJSON {
		enc := json.NewEncoder(w)
		return func(r *pushResult) { _ = enc.Encode(r) }
	}
	return func(r *pushResult) { _, _ = io.WriteString(w, r.line()) }
}

// pusher sends one message to many.
type pusher struct {
	app     *application
	message pushMessage
	show    func(*pushResult)
	flush   func() error
	missed  int // receivers without the message
}

// everyone sends to who is connected. A repetition after a lost answer would reach them twice.
func (p *pusher) everyone(ctx context.Context) error {
	var out struct{ Reached int }
	r := &pushResult{To: "everyone", Result: resultReached, Reached: &out.Reached}
	err := p.app.post(ctx, "/v1/messages", p.message, &out, onceOnly)
	if err != nil {
		r.Reached, r.Result = nil, failureWord(err)
	}
	p.show(r)
	return errors.Join(err, p.flush())
}

// receivers sends to each, a request's worth at a time, and prints what is known as soon as it is. After a
// failure that would only repeat itself it sends nothing more, and says so for each who is left.
func (p *pusher) receivers(ctx context.Context, to []string) error {
	var failure error
	for left := to; len(left) > 0; {
		n := min(itemsACall, len(left))
		results := make([]*pushResult, n)
		for i, who := range left[:n] {
			results[i] = &pushResult{To: who, Result: resultNotSent}
		}
		if failure == nil {
			failure = p.send(ctx, results)
		}
		if err := p.tell(results); err != nil {
			return errors.Join(failure, err)
		}
		left = left[n:]
	}
	switch {
	case failure != nil:
		return failure
	case p.missed > 0:
		return fmt.Errorf("%d of %d receivers did not get the message", p.missed, len(to))
	}
	return nil
}

func (p *pusher) tell(results []*pushResult) error {
	for _, r := range results {
		p.show(r)
		if !r.sent() {
			p.missed++
		}
	}
	return p.flush()
}

// send fills in the results of one request, and repeats it for those who can have the message in a moment.
func (p *pusher) send(ctx context.Context, results []*pushResult) error {
	byID, err := p.find(ctx, results)
	if err != nil {
		return err
	}
	for n := 1; len(byID) > 0; n++ {
		if err := p.request(ctx, byID); err != nil {
			settle(byID, func(r *pushResult) { r.Result = failureWord(err) })
			return err
		}
		for id, of := range byID {
			if !p.again(of[0]) {
				delete(byID, id)
			}
		}
		if n == callTries || len(byID) > 0 && p.app.pause(ctx, pauseAfter(n, nil)) != nil {
			break
		}
	}
	return nil
}

// again reports whether the message is to be sent once more. Where the store did not answer, it may have been written, and
// what is not stored is not recognised when it comes again.
func (p *pusher) again(r *pushResult) bool {
	return r.momentary() && (p.message.QoS == 1 || r.Result != cimpb.CodeStoreUnavailable.String())
}

// find looks the names up. Somebody who was named twice gets the message once.
func (p *pusher) find(ctx context.Context, results []*pushResult) (map[int64][]*pushResult, error) {
	byID := make(map[int64][]*pushResult, len(results))
	for _, r := range results {
		id, err := p.app.account(ctx, norm.NFC.String(r.To))
		switch {
		case client.CodeOf(err) == cimpb.CodeUnknownUser || err == nil && id == 0:
			r.Result = cimpb.CodeUnknownUser.String()
		case err != nil:
			return nil, err
		default:
			r.UserID = id
			byID[id] = append(byID[id], r)
		}
	}
	return byID, nil
}

// request makes one request for all that are left.
func (p *pusher) request(ctx context.Context, byID map[int64][]*pushResult) error {
	m := p.message
	m.Users = slices.Sorted(maps.Keys(byID))
	var out struct{ Results []pushResult }
	if err := p.app.post(ctx, "/v1/messages", m, &out, repeating(m.QoS == 1)); err != nil {
		return err
	}
	settle(byID, func(r *pushResult) { r.Result = resultNoAnswer })
	for _, got := range out.Results {
		for _, r := range byID[got.UserID] {
			r.Result, r.Seq, r.LogEpoch, r.Duplicate = got.Result, got.Seq, got.LogEpoch, got.Duplicate
		}
	}
	return nil
}

func settle(byID map[int64][]*pushResult, f func(*pushResult)) {
	for _, of := range byID {
		for _, r := range of {
			f(r)
		}
	}
}

// failureWord is the result of each receiver of a request that failed as a whole.
func failureWord(err error) string {
	e, refused := errors.AsType[*client.StatusError](err)
	switch {
	case refused && e.Code != 0:
		return e.Code.String()
	case refused && e.HTTPStatus < http.StatusInternalServerError:
		return resultFailed
	case errors.Is(err, client.ErrUnreachable):
		return resultUnreachable
	}
	return resultNoAnswer
}
