package store

// checked runs scan after another process, if there is one to ask, has found the file sound.
func (s *Store) checked(path string, scan func() (uint64, error)) (uint64, error) {
	if s.o.Check != nil {
		if err := s.o.Check(path); err != nil {
			return 0, err
		}
	}
	return scan()
}
