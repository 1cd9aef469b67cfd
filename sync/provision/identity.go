package provision

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"fountain/internal/atomicfile"
	"fountain/internal/problem"
)

// ErrNone is returned by LoadIdentity when the directory holds no identity yet.
var ErrNone = errors.New("no identity yet")

const schema = 2

// identityFile is IdentityFile.
type identityFile struct {
	Schema        int               `json:"schema"`
	Thing         string            `json:"thing"`
	CertificateID string            `json:"certificate_id"`
	Confirmed     bool              `json:"confirmed"`
	Device        map[string]string `json:"device,omitempty"`
	Generation    int               `json:"generation,omitempty"` // how often the certificate was renewed
}

// pair names the files of a generation's key and certificate. A renewed pair lies beside the one in use, so that one
// write of IdentityFile switches.
func pair(generation int) (key, cert string) {
	if generation == 0 {
		return KeyFile, CertFile
	}
	return fmt.Sprintf("device-%d.key", generation), fmt.Sprintf("device-%d.crt", generation)
}

// pendingFile is PendingFile: what register needs besides the certificate. It holds a secret, so it has mode 0600.
type pendingFile struct {
	Schema        int    `json:"schema"`
	CertificateID string `json:"certificate_id"`
	Token         string `json:"token"`
}

// LoadIdentity reads the identity in dir and checks that key and certificate belong together. ErrNone when there is
// none; a *problem.Problem when it is damaged or from a newer version.
func LoadIdentity(dir string) (Identity, error) {
	path := filepath.Join(dir, IdentityFile)
	var f identityFile
	if err := readJSON(path, &f, &f.Schema); err != nil {
		return Identity{}, err
	}
	key, cert := pair(f.Generation)
	id := Identity{
		Thing: f.Thing, CertificateID: f.CertificateID, Confirmed: f.Confirmed, Device: f.Device,
		CertFile: filepath.Join(dir, cert), KeyFile: filepath.Join(dir, key), generation: f.Generation,
	}
	if _, err := id.Certificate(); err != nil {
		return Identity{}, err
	}
	return id, nil
}

// Certificate loads the key pair for a TLS connection.
func (id Identity) Certificate() (tls.Certificate, error) {
	cert, err := tls.LoadX509KeyPair(id.CertFile, id.KeyFile)
	if err != nil {
		return cert, &problem.Problem{
			Code: problem.CodeDamaged, Where: id.CertFile,
			What:   fmt.Sprintf("the unit's identity cannot be used: %v", err),
			Remedy: "move the identity directory aside, release the serial in the cloud and claim the unit again",
		}
	}
	return cert, nil
}

func (id Identity) save(dir string) error {
	f := identityFile{
		Schema: 1, Thing: id.Thing, CertificateID: id.CertificateID, Confirmed: id.Confirmed, Device: id.Device, Generation: id.generation,
	}
	if f.Generation > 0 { // an older version would look for the first pair
		f.Schema = schema
	}
	return writeJSON(filepath.Join(dir, IdentityFile), f)
}

// loadKey returns the unit's key, made now when there is none.
func loadKey(path string, make func() error) (*ecdsa.PrivateKey, error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := make(); err != nil {
			return nil, err
		}
		return makeKey(path)
	}
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	damaged := func(why any) error {
		return &problem.Problem{
			Code: problem.CodeDamaged, Where: path, What: fmt.Sprintf("the unit's key cannot be used: %v", why),
			Remedy: "move the file aside; a new key is made at the next start",
		}
	}
	block, _ := pem.Decode(raw)
	if block == nil {
		return nil, damaged("no PEM block")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, damaged(err)
	}
	ec, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return nil, damaged("not an ECDSA key")
	}
	if err := os.Chmod(path, 0o600); err != nil { // somebody may have copied it by hand
		return nil, fmt.Errorf("protect key: %w", err)
	}
	return ec, nil
}

func makeKey(path string) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	if err := atomicfile.Write(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		return nil, fmt.Errorf("keep key: %w", err)
	}
	return key, nil
}

// readJSON reads a file of this package; ErrNone when it is not there.
func readJSON(path string, into any, got *int) error {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: %w", path, ErrNone)
	}
	if err != nil {
		return fmt.Errorf("read identity: %w", err)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return &problem.Problem{
			Code: problem.CodeDamaged, Where: path, What: fmt.Sprintf("the file cannot be read: %v", err),
			Remedy: "move the identity directory aside, release the serial in the cloud and claim the unit again",
		}
	}
	if *got > schema {
		return &problem.Problem{
			Code: problem.CodeNewerSchema, Where: path,
			What:   fmt.Sprintf("written by a newer version (schema %d, this one knows %d)", *got, schema),
			Remedy: "install the newer version again",
		}
	}
	return nil
}

func writeJSON(path string, v any) error {
	raw, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return atomicfile.Write(path, append(raw, '\n'), 0o600)
}

func remove(paths ...string) error {
	for _, p := range paths {
		if err := os.Remove(p); errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return err
		}
		if err := atomicfile.SyncDir(filepath.Dir(p)); err != nil {
			return err
		}
	}
	return nil
}
