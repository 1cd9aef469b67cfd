package beat

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sys/unix"
)

// LastName is the guard's last-beat file under the run directory.
const LastName = "guard.last"

// ErrNoLast is returned by ReadLast when there is no usable last beat: no file, another boot, or both slots damaged.
var ErrNoLast = errors.New("no last beat")

// Last is what the guard saw last. Times are CLOCK_MONOTONIC of boot BootID.
type Last struct {
	Packet       Packet
	BeatAt       time.Duration // when Packet arrived
	MasterOpen   bool
	MasterShutAt time.Duration // when MASTER was commanded shut; 0 = it never was open in this session, or still is
	Reason       Reason        // why it was shut
	BootID       string
}

// The file holds two slots of slotSize bytes, written in turn; a reader takes the newest intact one. A kill in the
// middle of a write costs one slot. It lies in the run directory: it has to outlive processes, not a power cut.
//
//	0 magic u32 · 4 flags u8 · 5 reason u8 · 8 generation u64 · 16 packet [64] · 80 beatAt i64 · 88 shutAt i64
//	96 boot id [16] · 124 CRC32C
const (
	slotSize  = 128
	lastMagic = 0x314c4246 // "FBL1"
)

// LastFile is the guard's mapped last-beat file. Put does not allocate and does no system call.
type LastFile struct {
	mem  []byte
	gen  uint64
	boot [16]byte
}

// OpenLast creates or opens the file at path and maps it.
func OpenLast(path string) (*LastFile, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("open last-beat file: %w", err)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open last-beat file: %w", err)
	}
	defer f.Close() // the mapping stays
	if err := f.Truncate(2 * slotSize); err != nil {
		return nil, fmt.Errorf("size last-beat file: %w", err)
	}
	mem, err := unix.Mmap(int(f.Fd()), 0, 2*slotSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map last-beat file %s: %w", path, err)
	}
	l := &LastFile{mem: mem}
	for i := range 2 {
		if gen, _, ok := decodeSlot(mem[i*slotSize:]); ok && gen > l.gen {
			l.gen = gen
		}
	}
	id, err := bootID()
	if err != nil {
		_ = l.Close()
		return nil, err
	}
	l.boot = id
	return l, nil
}

// Put writes l as the newest state.
func (f *LastFile) Put(l *Last) {
	f.gen++
	var b [slotSize]byte
	binary.LittleEndian.PutUint32(b[0:], lastMagic)
	b[4] = flag(l.MasterOpen, 1)
	b[5] = byte(l.Reason)
	binary.LittleEndian.PutUint64(b[8:], f.gen)
	var p [Size]byte
	l.Packet.Encode(&p)
	copy(b[16:], p[:])
	binary.LittleEndian.PutUint64(b[80:], uint64(l.BeatAt))
	binary.LittleEndian.PutUint64(b[88:], uint64(l.MasterShutAt))
	copy(b[96:], f.boot[:])
	binary.LittleEndian.PutUint32(b[slotSize-4:], crc32.Checksum(b[:slotSize-4], castagnoli))
	copy(f.mem[int(f.gen%2)*slotSize:], b[:])
}

// Close unmaps the file.
func (f *LastFile) Close() error { return unix.Munmap(f.mem) }

// ReadLast reads the newest intact state of this boot, or ErrNoLast.
func ReadLast(path string) (Last, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return Last{}, ErrNoLast
	}
	if err != nil {
		return Last{}, fmt.Errorf("read last-beat file: %w", err)
	}
	boot, err := bootID()
	if err != nil {
		return Last{}, err
	}
	return newest(b, boot)
}

func newest(b []byte, boot [16]byte) (Last, error) {
	var best Last
	var bestGen uint64
	for i := 0; (i+1)*slotSize <= len(b); i++ {
		gen, l, ok := decodeSlot(b[i*slotSize:])
		if ok && gen > bestGen && l.BootID == uuid.UUID(boot).String() {
			best, bestGen = l, gen
		}
	}
	if bestGen == 0 {
		return Last{}, ErrNoLast
	}
	return best, nil
}

func decodeSlot(b []byte) (gen uint64, l Last, ok bool) {
	if len(b) < slotSize || binary.LittleEndian.Uint32(b) != lastMagic ||
		binary.LittleEndian.Uint32(b[slotSize-4:]) != crc32.Checksum(b[:slotSize-4], castagnoli) {
		return 0, Last{}, false
	}
	p, err := DecodePacket(b[16 : 16+Size])
	if err != nil {
		return 0, Last{}, false
	}
	return binary.LittleEndian.Uint64(b[8:]), Last{
		Packet:       p,
		BeatAt:       time.Duration(binary.LittleEndian.Uint64(b[80:])),
		MasterOpen:   b[4]&1 != 0,
		MasterShutAt: time.Duration(binary.LittleEndian.Uint64(b[88:])),
		Reason:       Reason(b[5]),
		BootID:       uuid.UUID(b[96:112]).String(),
	}, true
}

// bootID reads the kernel's random id of this boot.
func bootID() (id [16]byte, err error) {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return id, fmt.Errorf("read boot id: %w", err)
	}
	raw, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(string(b)), "-", ""))
	if err != nil || len(raw) != len(id) {
		return id, fmt.Errorf("read boot id: %q is no UUID", b)
	}
	return [16]byte(raw), nil
}
