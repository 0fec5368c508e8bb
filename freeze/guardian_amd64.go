package freeze

import _ "embed"

//go:generate clang-14 -target x86_64-linux-gnu -std=gnu11 -O2 -Wall -Wextra -Werror -ffreestanding -fno-builtin -fno-stack-protector -nostdlib -static -fuse-ld=lld-14 -Wl,-s -Wl,--build-id=none -Wl,-z,noexecstack -o guardian/guardian_amd64 guardian/guardian.c

// guardianProgram is guardian/guardian.c, compiled.
//
//go:embed guardian/guardian_amd64
var guardianProgram []byte
