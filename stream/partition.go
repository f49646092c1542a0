package stream

import "hash"

// Partition is the partition of a key among n: murmur2 with the sign bit
// cleared, modulo n, as the Java client's default partitioner has it for records
// with a key (org.apache.kafka.common.utils.Utils.murmur2).
func Partition(key string, n int) int32 {
	return int32(murmur2([]byte(key)) & 0x7fffffff % uint32(n))
}

// newHasher is Partition in the form in which goka wants it. goka takes the
// absolute value modulo n, which changes nothing once the sign bit is cleared.
func newHasher() hash.Hash32 { return &murmur{} }

type murmur struct{ key []byte }

func (m *murmur) Write(p []byte) (int, error) { m.key = append(m.key, p...); return len(p), nil }
func (m *murmur) Sum(b []byte) []byte {
	s := m.Sum32()
	return append(b, byte(s>>24), byte(s>>16), byte(s>>8), byte(s))
}
func (m *murmur) Reset()         { m.key = m.key[:0] }
func (m *murmur) Size() int      { return 4 }
func (m *murmur) BlockSize() int { return 4 }
func (m *murmur) Sum32() uint32  { return murmur2(m.key) & 0x7fffffff }

// murmur2 is Austin Appleby's MurmurHash2, 32 bits, with Kafka's seed.
func murmur2(b []byte) uint32 {
	const (
		seed = 0x9747b28c
		m    = 0x5bd1e995
		r    = 24
	)
	h := seed ^ uint32(len(b))
	for ; len(b) >= 4; b = b[4:] {
		k := uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
		k *= m
		k ^= k >> r
		k *= m
		h = h*m ^ k
	}
	switch len(b) {
	case 3:
		h ^= uint32(b[2]) << 16
		fallthrough
	case 2:
		h ^= uint32(b[1]) << 8
		fallthrough
	case 1:
		h ^= uint32(b[0])
		h *= m
	}
	h ^= h >> 13
	h *= m
	return h ^ h>>15
}
