package netcore

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/panjf2000/gnet/v2"
)

// engineRestart spaces the restarts of an engine that ended by itself.
const engineRestart = 100 * time.Millisecond

// startLoop runs one gnet engine with one event loop, so that the handler of its events is the loop
// itself: its state needs no lock and no look-up. The kernel spreads connections over the engines.
func (s *Server) startLoop(l *loop) error {
	bootCh := make(chan error, 1)
	l.bootCh = bootCh
	s.wg.Go(func() { s.monitorEngine(l, bootCh) })
	if err := <-bootCh; err != nil {
		return fmt.Errorf("start an event loop on %s: %w", s.gnetAddr(), err)
	}
	s.wg.Go(func() { l.monitorRounds(s.ctx) })
	s.wg.Go(func() { l.sweeper.monitorSweep(s.ctx) })
	return nil
}

// monitorEngine runs the loop's engine, again if need be: gnet ends an engine on an accept error such as
// a full file table, closes its connections and calls that success.
func (s *Server) monitorEngine(l *loop, bootCh chan<- error) {
	for {
		err := gnet.Run(l, s.gnetAddr(),
			gnet.WithNumEventLoop(1), gnet.WithReusePort(true), gnet.WithReuseAddr(true),
			gnet.WithTCPNoDelay(gnet.TCPNoDelay), gnet.WithLogger(engineLog{s.cfg.Logger}))
		if l.engine.Load() == nil {
			bootCh <- err // it never ran
			return
		}
		select {
		case <-s.ctx.Done():
			return
		case <-time.After(engineRestart):
			s.cfg.Logger.Error("an event loop ended by itself and is started again", "loop", l.index, "err", err)
		}
	}
}

// stopEngines closes the listeners and what is left of the connections.
func (s *Server) stopEngines() {
	s.cancel()
	ended, end := context.WithCancel(context.Background())
	end()
	for _, l := range s.loops {
		l.door.close()
		if e := l.engine.Load(); e != nil {
			// An ended context makes Stop give the signal without its half-second polling; the end
			// of the engine is waited for by s.wg.
			_ = e.Stop(ended)
		}
	}
}

// engineLog hands gnet's own words to slog. What matters comes back as an error or a closed connection,
// so the rest is for debugging.
type engineLog struct{ log *slog.Logger }

func (e engineLog) Debugf(format string, args ...any) { e.print(slog.LevelDebug, format, args) }
func (e engineLog) Infof(format string, args ...any)  { e.print(slog.LevelDebug, format, args) }
func (e engineLog) Warnf(format string, args ...any)  { e.print(slog.LevelDebug, format, args) }
func (e engineLog) Errorf(format string, args ...any) { e.print(slog.LevelWarn, format, args) }
func (e engineLog) Fatalf(format string, args ...any) { e.print(slog.LevelError, format, args) }

func (e engineLog) print(level slog.Level, format string, args []any) {
	if ctx := context.Background(); e.log.Enabled(ctx, level) {
		e.log.Log(ctx, level, "gnet: "+fmt.Sprintf(format, args...))
	}
}
