package routetest

import (
	"errors"
	"testing"

	"cim/route"
)

// checkTests are the part of TestStore that is about accounts.
var checkTests = []subtest[Store]{
	{"a claim looks at the account", claimChecks},
	{"a claim without a check does not look", claimUnchecked},
	{"a refusal for the account comes before one for the session", checkBeforeHeld},
	{"an account disabled while it is claimed", disableAgainstClaim},
	{"a secret replaced while it is claimed with", replaceAgainstClaim},
	{"an append for somebody who must exist", mustExist},
	{"strangers in a batch", strangersInBatch},
}

// claimChecks makes an account of generation 2, alice's, and claims it in every way.
func claimChecks(t *testing.T, s Store) {
	alice := createWith(t, s, "alice", firstHash)
	setSecret(t, s, alice.ID, secondHash)
	gone := createWith(t, s, "gone", firstHash)
	setDisabled(t, s, gone.ID, true)
	device := create(t, s, "lamp", route.Device)
	for _, tc := range []struct {
		name  string
		user  int64
		check route.AccountCheck
		want  error
	}{
		{"nobody", alice.ID + 100_000, route.AccountCheck{}, route.ErrUnknownUser},
		{"nobody, with a name", alice.ID + 100_000, route.AccountCheck{Name: "alice"}, route.ErrUnknownUser},
		{"another's name", alice.ID, route.AccountCheck{Name: "gone"}, route.ErrNameMismatch},
		{"a part of the name", alice.ID, route.AccountCheck{Name: "alic"}, route.ErrNameMismatch},
		{"another's name and an old generation", alice.ID, route.AccountCheck{Name: "bob", Generation: 1}, route.ErrNameMismatch},
		{"disabled", gone.ID, route.AccountCheck{}, route.ErrDisabled},
		{"disabled, right in all else", gone.ID, route.AccountCheck{Name: "gone", Generation: 2}, route.ErrDisabled},
		{"disabled, another's name", gone.ID, route.AccountCheck{Name: "alice"}, route.ErrNameMismatch},
		{"disabled, an old generation", gone.ID, route.AccountCheck{Generation: 1}, route.ErrDisabled},
		{"an old generation", alice.ID, route.AccountCheck{Generation: 1}, route.ErrReplacedSecret},
		{"a generation to come", alice.ID, route.AccountCheck{Generation: 3}, route.ErrReplacedSecret},
		{"anything", alice.ID, route.AccountCheck{}, nil},
		{"the name", alice.ID, route.AccountCheck{Name: "alice"}, nil},
		{"the generation", alice.ID, route.AccountCheck{Generation: 2}, nil},
		{"both", alice.ID, route.AccountCheck{Name: "alice", Generation: 2}, nil},
		{"a device", device.ID, route.AccountCheck{Name: "lamp", Generation: 1}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			before := holder(t, s, tc.user)
			c, err := s.Claim(t.Context(), route.ClaimRequest{User: tc.user, Device: "phone", Instance: "i1", Check: &tc.check})
			if tc.want != nil {
				wantErr(t, "Claim", err, tc.want)
				wantHolder(t, s, tc.user, before)
				return
			}
			want := map[int64]route.Account{alice.ID: alice, device.ID: device}[tc.user]
			if err != nil || c.Account != want || c.Epoch <= before.Epoch || c.Previous != before {
				t.Fatalf("Claim = %+v, %v; want the account %+v", c, err, want)
			}
			wantHolder(t, s, tc.user, route.Location{Instance: "i1", Epoch: c.Epoch, Device: "phone"})
		})
	}
}

func claimUnchecked(t *testing.T, s Store) {
	gone := createWith(t, s, "gone", firstHash)
	setDisabled(t, s, gone.ID, true)
	for _, id := range []int64{gone.ID, gone.ID + 100_000} {
		c := claim(t, s, route.ClaimRequest{User: id, Device: "phone", Instance: "i1"})
		if c.Account != (route.Account{}) {
			t.Fatalf("account %+v without a check", c.Account)
		}
	}
}

// checkBeforeHeld also shows that a refusal acknowledges nothing.
func checkBeforeHeld(t *testing.T, s Store) {
	a := createWith(t, s, "alice", firstHash)
	log := fill(t, s, a.ID, 3)
	first := claim(t, s, route.ClaimRequest{User: a.ID, Device: "phone", Instance: "i1", Check: &route.AccountCheck{Generation: 1}})
	setSecret(t, s, a.ID, secondHash)
	for generation, want := range map[uint64]error{1: route.ErrReplacedSecret, 2: route.ErrHeld} {
		c, err := s.Claim(t.Context(), route.ClaimRequest{
			User: a.ID, Device: "tablet", Instance: "i2", Check: &route.AccountCheck{Generation: generation},
			Cursor: route.Cursor{LogEpoch: log, Seq: 2},
		})
		wantErr(t, "Claim", err, want)
		if held := errors.Is(want, route.ErrHeld); held != (c.Previous.Epoch == first.Epoch) {
			t.Fatalf("generation %d: refused by %+v", generation, c.Previous)
		}
	}
	wantPosition(t, s, a.ID, route.Position{LogEpoch: log, Last: 3})
	wantHolder(t, s, a.ID, route.Location{Instance: "i1", Epoch: first.Epoch, Device: "phone"})
}

func disableAgainstClaim(t *testing.T, s Store) {
	changeAgainstClaim(t, s, route.ErrDisabled, func(id int64) error { return s.SetDisabled(t.Context(), id, true) })
}

func replaceAgainstClaim(t *testing.T, s Store) {
	changeAgainstClaim(t, s, route.ErrReplacedSecret, func(id int64) error { return s.SetSecret(t.Context(), id, secondHash) })
}

// changeAgainstClaim changes an account while it logs in: either the login is refused, or its session is found by who
// looks for it after the change.
func changeAgainstClaim(t *testing.T, s Store, refusal error, change func(id int64) error) {
	t.Helper()
	for _, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p"} {
		a := createWith(t, s, name, firstHash)
		q := route.ClaimRequest{User: a.ID, Device: "phone", Instance: "i1", Check: &route.AccountCheck{Generation: 1}}
		var c route.Claim
		var claimErr error
		var found []route.Location
		inParallel(2, func(i int) {
			if i == 0 {
				c, claimErr = s.Claim(t.Context(), q)
				return
			}
			err := change(a.ID)
			if err == nil {
				found, err = s.Lookup(t.Context(), []int64{a.ID})
			}
			if err != nil {
				t.Errorf("change the account: %v", err)
			}
		})
		if t.Failed() {
			return
		}
		if claimErr == nil && found[0].Epoch != c.Epoch || claimErr != nil && (!errors.Is(claimErr, refusal) || found[0].Held()) {
			t.Fatalf("Claim = %+v, %v; after the change, the holder is %+v", c, claimErr, found[0])
		}
		_, err := s.Claim(t.Context(), q)
		wantErr(t, "Claim after the change", err, refusal)
	}
}

func mustExist(t *testing.T, s Store) {
	a := create(t, s, "alice", route.User)
	setDisabled(t, s, a.ID, true) // messages to it are stored
	stranger := a.ID + 100_000
	for id := uint64(1); id <= 2; id++ {
		e := message(stranger, id)
		e.MustExist = true
		got := s.Append(t.Context(), []route.Entry{e})[0]
		wantErr(t, "Append to nobody", got.Err, route.ErrUnknownUser)
		if got.Seq != 0 || got.Duplicate || got.Holder.Held() {
			t.Fatalf("Append to nobody = %+v", got)
		}
	}
	wantPosition(t, s, stranger, route.Position{})
	e := message(a.ID, 1)
	e.MustExist = true
	if got := appendOne(t, s, e); got.Seq != 1 || got.Duplicate {
		t.Fatalf("Append = %+v", got)
	}
	wantDuplicate(t, s, e, 1)
	if got := appendOne(t, s, message(stranger, 1)); got.Seq != 1 || got.Duplicate {
		t.Fatalf("Append to one who need not exist = %+v: the refused one must have left no trace", got)
	}
}

func strangersInBatch(t *testing.T, s Store) {
	a, b := create(t, s, "a", route.User), create(t, s, "b", route.User)
	stranger := max(a.ID, b.ID) + 100_000
	var entries []route.Entry
	for i := range uint64(30) {
		e := message([]int64{a.ID, stranger, b.ID}[i%3], i/3+1)
		e.MustExist = true
		entries = append(entries, e)
	}
	for i, got := range s.Append(t.Context(), entries) {
		if entries[i].Receiver == stranger {
			wantErr(t, "Append to nobody", got.Err, route.ErrUnknownUser)
			continue
		}
		if got.Err != nil || got.Seq != entries[i].ClientMsgID {
			t.Fatalf("answer %d: %+v, want seq %d", i, got, entries[i].ClientMsgID)
		}
	}
	wantSeqs(t, read(t, s, a.ID, 0, 100, 1<<20), 1, 10)
	wantSeqs(t, read(t, s, b.ID, 0, 100, 1<<20), 1, 10)
}
