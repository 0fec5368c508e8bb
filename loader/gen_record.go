package loader

// After the objects of gen.go: what they were made from, for machines without their clang.
//go:generate ../scripts/check-generated record
