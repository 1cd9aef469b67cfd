package speech

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"fountain/internal/logkey"
)

// ErrNoVoice is returned by a Voice that cannot speak on this machine.
var ErrNoVoice = errors.New("there is no voice on this machine")

// Voice says text aloud in a language (BCP 47) and returns when it has, or when ctx ends, which silences it at once.
type Voice interface {
	Say(ctx context.Context, device, tag, text string) error
}

// Speaker says the latest thing it was told, and stops what it says when it is told another. Without a device it is
// silent. Its methods may be called from any goroutine and never wait.
type Speaker struct {
	voice Voice
	log   *slog.Logger
	wake  chan struct{} // holds one token while there is something new

	mu     sync.Mutex
	device string
	next   *utterance
	stop   context.CancelFunc // of what is being said
	mute   bool               // there is no voice: said once
	fixed  bool               // the device is that of Fix
}

type utterance struct{ device, tag, text string }

// NewSpeaker returns a silent speaker; Run lets it speak. Without a voice it stays silent.
func NewSpeaker(v Voice, log *slog.Logger) *Speaker {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Speaker{voice: v, log: log, wake: make(chan struct{}, 1), mute: v == nil}
}

// Fix sets the audio device for good, whatever Use says.
func (s *Speaker) Fix(device string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.device, s.fixed = device, true
}

// Use sets the audio device; "" is silence.
func (s *Speaker) Use(device string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fixed || s.device == device {
		return
	}
	s.device = device
	if device == "" {
		s.hush()
	}
}

// On reports whether anything would be heard.
func (s *Speaker) On() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.device != "" && !s.mute
}

// Say says text in a language instead of what is being said.
func (s *Speaker) Say(tag, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if text == "" || s.device == "" || s.mute {
		return
	}
	s.next = &utterance{s.device, tag, text}
	s.cut()
}

// Hush ends what is being said.
func (s *Speaker) Hush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hush()
}

func (s *Speaker) hush() {
	s.next = nil
	s.cut()
}

func (s *Speaker) cut() {
	if s.stop != nil {
		s.stop()
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Run speaks until ctx ends. It always returns nil: a screen without a voice is a screen all the same.
func (s *Speaker) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.wake:
		}
		s.mu.Lock()
		u := s.next
		s.next = nil
		if u == nil {
			s.mu.Unlock()
			continue
		}
		said, stop := context.WithCancel(ctx)
		s.stop = stop
		s.mu.Unlock()
		err := s.voice.Say(said, u.device, u.tag, u.text)
		interrupted := said.Err() != nil
		s.mu.Lock()
		s.stop = nil
		s.mute = s.mute || errors.Is(err, ErrNoVoice)
		s.mu.Unlock()
		stop()
		if err != nil && !interrupted {
			s.log.Warn("speak", slog.Any(logkey.Err, err))
		}
	}
}
