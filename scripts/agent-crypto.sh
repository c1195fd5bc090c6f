# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What the agent's TLS leaves out. agent-build.sh reads this file and calls patch for each; docs/design/device.md has the figures.
#
# The agent is a client of S3, AWS IoT and servers like them. Entries are taken out of lists (cipher suites, curves, kinds of keys), and the
# linker drops what nothing refers to any more. How certificates, signatures and records are checked is not touched: a key that is left out is
# an error where it is read, never one that is let through. What stays:
#
#   TLS 1.3   as it is; key exchange X25519MLKEM768, X25519, P-256, P-384
#   TLS 1.2   ECDHE with AES-GCM or ChaCha20-Poly1305; key exchange X25519, P-256, P-384
#   keys      RSA, P-256, P-384, of servers, their CAs and the device
#
# test/size checks this list with the programs that come out.
tls=src/crypto/tls
x509=src/crypto/x509
internal=src/crypto/internal/fips140

# Cipher suites with CBC or RC4, or without ECDHE. internal/http1 does not offer them, whatever it is compiled with.
patch $tls/cipher_suites.go -16+0/1900834161 \
	-e '/^\t{TLS_[A-Z_]*_WITH_.*_CBC_SHA/d' -e '/^\t{TLS_[A-Z_]*_WITH_RC4_/d' -e '/^\t{TLS_RSA_WITH_/d'

# What a ClientHello offers: no P-521, no hybrids with P-256 and P-384, no signatures by Ed25519 and P-521.
patch $tls/defaults.go -6+4/1326954783 \
	-e 's/\(X25519, CurveP256, CurveP384\), CurveP521/\1/' -e 's/ SecP256r1MLKEM768, SecP384r1MLKEM1024,$//' \
	-e '/^\t\tEd25519,$/d' -e '/^\t\tECDSAWithP521AndSHA512,$/d'

# Key exchange with P-521 and ML-KEM-1024.
patch $tls/key_schedule.go -12+0/1760491299 \
	-e '/^\tcase CurveP521:/,+1d' -e '/^\tcase SecP384r1MLKEM1024:/,+3d' -e '/^\tnewMLKEM\(Private\|Public\)Key1024 := /,/^\t}/d'
patch $tls/key_agreement.go -2+0/2912837959 -e '/^\tcase CurveP521:/,+1d'

# Certificates and signatures with P-521 and Ed25519 in handshakes.
patch $tls/common.go -2+0/150733200 -e '/^\t\t\tcase elliptic\.P521():/,+1d'
patch $tls/auth.go -11+0/3022445541 \
	-e '/^\t\tcase elliptic\.P521():/{N;/ECDSAWithP521/d;s/^[^\n]*\n//}' \
	-e '/^\tcase signatureEd25519:/,/^\tcase signaturePKCS1v15:/{/^\tcase signaturePKCS1v15:/!d}'
patch $tls/defaults_fips140.go -1+1/281362389 -e 's/ || k\.Curve == elliptic\.P521()$//'

# Encrypted Client Hello, which only who has the server's configuration for it can ask for. It brings crypto/hpke.
patch $tls/handshake_client.go -0+1/3589082862 \
	-e 's/^\tif c\.config\.EncryptedClientHelloConfigList != nil {$/&\n\t\treturn nil, nil, nil, errors.New("tls: Encrypted Client Hello is left out of this program")/'
patch $tls/ech.go -0+1/1365353564 \
	-e 's/^func computeAndUpdateOuterECHExtension(.*{$/&\n\treturn errors.New("tls: Encrypted Client Hello is left out of this program")/'
patch src/crypto/hpke/kem.go -10+0/4004734938 \
	-e '/^\tcase 0x00\(12\|51\):/,+1d' -e '/^var dhKEMP521 = /d' -e '/^\tcase ecdh\.P521():/,+1d' -e '/^\t\tif kem == dhKEMP521 {/,+2d'
patch src/crypto/hpke/pq.go -30+0/2278486155 \
	-e '/^var mlkem1024P384 = /,/^}$/d' -e '/^func MLKEM1024P384()/,/^}$/d' -e '/^\tcase ecdh\.P384():/,+4d'

# Keys and certificates of P-224, P-521 and Ed25519: reading them is an error, so none can be checked with.
patch $x509/x509.go -21+1/3788675241 \
	-e '/^\tcase oid\.Equal(oidNamedCurveP\(224\|521\)):/,+1d' -e '/^\tcase \(elliptic\.P224\|elliptic\.P521\|ecdh\.P521\)():/,+1d' \
	-e 's/^\t\tcase elliptic\.P224(), elliptic\.P256():/\t\tcase elliptic.P256():/' -e '/^\t\tcase elliptic\.P521():/,+1d' \
	-e '/^\tcase ed25519\.PublicKey:$/{N;/if pubKeyAlgo/{N;N;N;N;N;N;d}}'
patch $x509/parser.go -0+1/1068109146 \
	-e 's/^\tcase oid\.Equal(oidPublicKeyEd25519):$/&\n\t\treturn nil, errors.New("x509: keys of Ed25519 are left out of this program")/'
patch $x509/pkcs8.go -1+1/572835357 \
	-e 's/^\t\treturn ed25519\.NewKeyFromSeed(curvePrivateKey), nil$/\t\treturn nil, errors.New("x509: keys of Ed25519 are left out of this program")/'
patch src/crypto/ecdsa/ecdsa.go -34+0/2268195439 -e '/^\tcase elliptic\.P\(224\|521\)()\(\.Params()\)\{0,1\}:$/,+1d'
patch src/crypto/elliptic/elliptic.go -2+0/1278324766 -e '/^\tinitP\(224\|521\)()$/d'
patch src/crypto/elliptic/params.go -1+1/3495465092 -e 's/\[\]Curve{p224, p256, p384, p521}/[]Curve{p256, p384}/'
patch $internal/ecdsa/ecdsa.go -20+0/3926687512 -e '/^func P\(224\|521\)()/,/^})$/d'
patch $internal/ed25519/cast.go -2+2/281932172 -e 's/^var fipsSelfTest = sync.OnceFunc(func() {$/func fipsSelfTest() { sync.OnceFunc(func() {/' -e 's/^})$/})() }/'
