package kafkaclient

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des" //nolint:gosec // what older OpenSSLs encrypted keys with
	"crypto/pbkdf2"
	"crypto/sha1" //nolint:gosec // the default of PKCS#5
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"hash"
	"os"
	"strings"

	"software.sslmate.com/src/go-pkcs12"
)

// encryptedKey is PKCS#8's EncryptedPrivateKeyInfo, and what PKCS#5 says of PBES2 in it (RFC 8018).
type encryptedKey struct {
	Algorithm pkix.AlgorithmIdentifier
	Data      []byte
}

type pbes2 struct{ Derivation, Cipher pkix.AlgorithmIdentifier }

type pbkdf2Parameters struct {
	Salt       []byte
	Iterations int
	KeyLength  int                      `asn1:"optional"`
	Hash       pkix.AlgorithmIdentifier `asn1:"optional"`
}

var (
	oidPBES2  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}
	oidPBKDF2 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}
)

var keyHashes = map[string]func() hash.Hash{
	"":                    sha1.New, // not written down
	"1.2.840.113549.2.7":  sha1.New,
	"1.2.840.113549.2.9":  sha256.New,
	"1.2.840.113549.2.10": sha512.New384,
	"1.2.840.113549.2.11": sha512.New,
}

type keyCipher struct {
	bytes int // of the key
	block func([]byte) (cipher.Block, error)
}

var keyCiphers = map[string]keyCipher{
	"2.16.840.1.101.3.4.1.2":  {16, aes.NewCipher},
	"2.16.840.1.101.3.4.1.22": {24, aes.NewCipher},
	"2.16.840.1.101.3.4.1.42": {32, aes.NewCipher},
	"1.2.840.113549.3.7":      {24, des.NewTripleDESCipher},
}

// ErrKey is wrapped by errors about an encrypted key and its password. OpenSSL says less of these.
var ErrKey = errors.New("the key cannot be read")

var (
	errKeyPassword   = fmt.Errorf("ssl.key.password: %w: it has another password", ErrKey)
	errNoKeyPassword = fmt.Errorf("ssl.key.password: %w: it is encrypted, and no password is set", ErrKey)
	errKeyKind       = errors.New("the key is encrypted in a way that only librdkafka understands")
)

// decryptKey returns a PEM text with its encrypted private key decrypted, and one without as it is.
func decryptKey(text []byte, password string) ([]byte, error) {
	for rest := text; ; {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		switch {
		case block == nil:
			return text, nil
		case block.Type != "ENCRYPTED PRIVATE KEY" && block.Headers["DEK-Info"] == "":
			continue
		case password == "":
			return nil, errNoKeyPassword
		case block.Type != "ENCRYPTED PRIVATE KEY":
			return nil, errKeyKind
		}
		der, err := decryptPBES2(block.Bytes, password)
		if err != nil {
			return nil, err
		}
		return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
	}
}

// keystore reads a file of PKCS#12: a certificate, its key, and who signed it.
func keystore(file, password string) (pair tls.Certificate, err error) {
	der, err := os.ReadFile(file)
	if err != nil {
		return pair, err
	}
	key, own, chain, err := pkcs12.DecodeChain(der, password)
	switch {
	case errors.Is(err, pkcs12.ErrIncorrectPassword):
		return pair, fmt.Errorf("ssl.keystore.password: %w: it has another password", ErrKey)
	case err != nil:
		return pair, fmt.Errorf("ssl.keystore.location: %w: %s", ErrKey, strings.TrimPrefix(err.Error(), "pkcs12: "))
	}
	pair = tls.Certificate{PrivateKey: key, Leaf: own, Certificate: [][]byte{own.Raw}}
	for _, c := range chain {
		pair.Certificate = append(pair.Certificate, c.Raw)
	}
	return pair, nil
}

func decryptPBES2(der []byte, password string) ([]byte, error) {
	var key encryptedKey
	var scheme pbes2
	var derivation pbkdf2Parameters
	var iv []byte
	if _, err := asn1.Unmarshal(der, &key); err != nil {
		return nil, fmt.Errorf("ssl.key.*: %w", err)
	}
	if !key.Algorithm.Algorithm.Equal(oidPBES2) {
		return nil, errKeyKind
	}
	if _, err := asn1.Unmarshal(key.Algorithm.Parameters.FullBytes, &scheme); err != nil || !scheme.Derivation.Algorithm.Equal(oidPBKDF2) {
		return nil, errKeyKind
	}
	if _, err := asn1.Unmarshal(scheme.Derivation.Parameters.FullBytes, &derivation); err != nil || derivation.Iterations < 1 {
		return nil, errKeyKind
	}
	if _, err := asn1.Unmarshal(scheme.Cipher.Parameters.FullBytes, &iv); err != nil {
		return nil, errKeyKind
	}
	h, c := keyHashes[derivation.Hash.Algorithm.String()], keyCiphers[scheme.Cipher.Algorithm.String()]
	if h == nil || c.block == nil {
		return nil, errKeyKind
	}
	secret, err := pbkdf2.Key(h, password, derivation.Salt, derivation.Iterations, c.bytes)
	if err != nil {
		return nil, err
	}
	block, err := c.block(secret)
	if err != nil {
		return nil, err
	}
	size := block.BlockSize()
	if len(iv) != size || len(key.Data) == 0 || len(key.Data)%size != 0 {
		return nil, errKeyKind
	}
	plain := make([]byte, len(key.Data))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(plain, key.Data)
	padding := int(plain[len(plain)-1])
	if padding < 1 || padding > size {
		return nil, errKeyPassword
	}
	plain = plain[:len(plain)-padding]
	if _, err := x509.ParsePKCS8PrivateKey(plain); err != nil { // one wrong password of 256 has some padding
		return nil, errKeyPassword
	}
	return plain, nil
}
