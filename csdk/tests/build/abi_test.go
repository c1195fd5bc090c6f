// SPDX-License-Identifier: Apache-2.0

package build_test

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/s3cam/s3cam/internal/mediatest"
)

// constants are the values that firmware written for the original SDK was compiled with: they stand in its binaries.
var constants = []struct {
	name  string
	value int
}{
	{"S3_HLS_OK", 0},
	{"S3_HLS_OUT_OF_MEMORY", -1},
	{"S3_HLS_INVALID_PARAMETER", -2},
	{"S3_HLS_INVALID_STATUS", -3},
	{"S3_HLS_BUFFER_OVERFLOW", -4},
	{"S3_HLS_BUFFER_EMPTY", -5},
	{"S3_HLS_LOCK_FAILED", -6},
	{"S3_HLS_UNKNOWN_INTERNAL_ERROR", -7},
	{"S3_HLS_QUEUE_FULL", -8},
	{"S3_HLS_QUEUE_EMPTY", -9},
	{"S3_HLS_HTTP_CLIENT_INIT_ERROR", -10},
	{"S3_HLS_THREAD_ALREADY_STOPPED", -11},
	{"S3_HLS_UPLOAD_FAILED", -12},
	{"S3_HLS_Video_PID", 0x100},
	{"S3_HLS_Audio_PID", 0x101},
	{"S3_HLS_SIMPLE_PUT_MAX_FRAME_PER_PACK", 4},
	{"S3_HLS_TS_PACKET_SIZE", 188},
	{"S3_HLS_TS_COUNTER_INDEX", 3},
	// Of s3cam.h: where both interfaces have a result, it is the same number.
	{"S3CAM_OK", 0},
	{"S3CAM_ENOMEM", -1},
	{"S3CAM_EINVAL", -2},
	{"S3CAM_EFULL", -4},
	{"S3CAM_ECLOSED", -6},
	{"S3CAM_EAGENT", -7},
}

// layout is where the original's structs have their members, on 64-bit systems and on 32-bit ARM and MIPS.
var layout = []struct {
	what         string
	wide, narrow int
}{
	{"offsetof(S3_HLS_FRAME_ITEM, first_part_start)", 0, 0},
	{"offsetof(S3_HLS_FRAME_ITEM, first_part_length)", 8, 4},
	{"offsetof(S3_HLS_FRAME_ITEM, second_part_start)", 16, 8},
	{"offsetof(S3_HLS_FRAME_ITEM, second_part_length)", 24, 12},
	{"offsetof(S3_HLS_FRAME_ITEM, timestamp)", 32, 16},
	{"sizeof(S3_HLS_FRAME_ITEM)", 40, 24},
	{"sizeof(struct s3_hls_frame_item_s)", 40, 24},
	{"offsetof(S3_HLS_FRAME_PACK, items)", 0, 0},
	{"offsetof(S3_HLS_FRAME_PACK, item_count)", 160, 96},
	{"sizeof(S3_HLS_FRAME_PACK)", 168, 104},
	{"sizeof(struct frame_packs_s)", 168, 104},
	{"sizeof(((S3_HLS_FRAME_ITEM *)0)->first_part_length)", 4, 4},
	{"sizeof(((S3_HLS_FRAME_ITEM *)0)->timestamp)", 8, 8},
	{"sizeof(const_fill_word)", 188, 188},
}

// signatures are pointers of the original's types, so that another type of a parameter or result does not compile.
const signatures = `
int32_t (*initialize)(uint32_t, char *, char *, char *, char *) = S3_HLS_SDK_Initialize;
int32_t (*set_credential)(char *, char *, char *) = S3_HLS_SDK_Set_Credential;
int32_t (*set_tag)(char *) = S3_HLS_SDK_Set_Tag;
int32_t (*start_upload)(void) = S3_HLS_SDK_Start_Upload;
int32_t (*put_video)(S3_HLS_FRAME_PACK *) = S3_HLS_SDK_Put_Video_Frame;
int32_t (*put_audio)(S3_HLS_FRAME_PACK *) = S3_HLS_SDK_Put_Audio_Frame;
int32_t (*finalize)(void) = S3_HLS_SDK_Finalize;
uint8_t (*fill_word)[188] = &const_fill_word;
`

// abi is a source, C and C++, that compiles only when all of the above is so.
func abi() string {
	var b strings.Builder
	b.WriteString("#include \"S3_HLS_SDK.h\"\n#include \"S3_HLS_Return_Code.h\"\n#include \"s3cam.h\"\n#include <stddef.h>\n")
	for i, c := range constants {
		fmt.Fprintf(&b, "typedef char constant_%d[%s == (%d) ? 1 : -1]; /* %[2]s */\n", i, c.name, c.value)
	}
	for i, l := range layout {
		fmt.Fprintf(&b, "typedef char layout_%d[%s == (sizeof(void *) == 8 ? %d : %d) ? 1 : -1];\n", i, l.what, l.wide, l.narrow)
	}
	b.WriteString(signatures)
	return b.String()
}

func TestNamesValuesAndLayoutAreTheOriginals(t *testing.T) {
	include := "-I" + filepath.Join(mediatest.Root(t), "csdk", "include")
	source := filepath.Join(t.TempDir(), "abi.c")
	write(t, source, abi())
	for _, c := range [][]string{
		{"gcc", "-std=c99"},
		{"gcc", "-std=gnu17"},
		{"clang", "-std=c99"},
		{"clang", "-std=c99", "--target=mipsel-linux-gnu", "-ffreestanding"},
		{"clang", "-std=c99", "--target=arm-linux-gnueabi", "-ffreestanding"},
		{"mipsel-linux-gnu-gcc", "-std=c99"},
		{"arm-linux-gnueabi-gcc", "-std=c99"},
		{"arm-linux-gnueabihf-gcc", "-std=c99"},
		{"aarch64-linux-gnu-gcc", "-std=c99"},
		{"musl-gcc", "-std=c99"},
		{"g++", "-xc++", "-std=c++98", "-Wno-long-long"},
		{"g++", "-xc++", "-std=c++17", "-Wno-invalid-offsetof"},
		{"clang++", "-xc++", "-std=c++98", "-Wno-c++11-long-long"},
		{"clang++", "-xc++", "-std=c++17"},
	} {
		t.Run(strings.Join(c, " "), func(t *testing.T) {
			need(t, c[0])
			run(t, ".", c[0], append(c[1:], "-pedantic", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", include, source)...)
		})
	}
}

// The test above must be able to fail.
func TestAWrongValueWouldBeSeen(t *testing.T) {
	need(t, "gcc")
	include := "-I" + filepath.Join(mediatest.Root(t), "csdk", "include")
	for _, wrong := range [][2]string{
		{"S3_HLS_BUFFER_OVERFLOW == (-4)", "S3_HLS_BUFFER_OVERFLOW == (-5)"},
		{"sizeof(S3_HLS_FRAME_PACK) == (sizeof(void *) == 8 ? 168", "sizeof(S3_HLS_FRAME_PACK) == (sizeof(void *) == 8 ? 160"},
		{"(*set_tag)(char *)", "(*set_tag)(const char *)"},
	} {
		text := strings.Replace(abi(), wrong[0], wrong[1], 1)
		if text == abi() {
			t.Fatalf("%q is not in the source", wrong[0])
		}
		source := filepath.Join(t.TempDir(), "abi.c")
		write(t, source, text)
		if out, err := exec.Command("gcc", "-std=c99", "-Werror", "-fsyntax-only", include, source).CombinedOutput(); err == nil {
			t.Errorf("compiles with %q: %s", wrong[1], out)
		}
	}
}

// warnings is the set that the library is held to, with compilers that know C from different sides.
var warnings = []string{
	"-pedantic", "-Wall", "-Wextra", "-Wconversion", "-Wsign-conversion", "-Wshadow", "-Wstrict-prototypes", "-Wmissing-prototypes",
	"-Wcast-align", "-Wcast-qual", "-Wwrite-strings", "-Wundef", "-Wvla", "-Wpointer-arith", "-Wformat=2", "-Wdeclaration-after-statement",
	"-Wswitch-enum", "-Wnull-dereference", "-Werror",
}

func TestNoCompilerWarns(t *testing.T) {
	csdk := filepath.Join(mediatest.Root(t), "csdk")
	for _, c := range [][]string{
		{"gcc", "-Os"}, {"gcc", "-O3"}, {"gcc", "-O0"}, {"clang", "-Os"}, {"clang", "-O3"}, {"musl-gcc", "-Os"},
		{"mipsel-linux-gnu-gcc", "-Os"}, {"arm-linux-gnueabi-gcc", "-Os"}, {"arm-linux-gnueabihf-gcc", "-Os"}, {"aarch64-linux-gnu-gcc", "-Os"},
		{"gcc", "-Os", "-fanalyzer"},
	} {
		t.Run(strings.Join(c, " "), func(t *testing.T) {
			t.Parallel()
			need(t, c[0])
			for _, source := range []string{"src/s3cam.c", "examples/encoder.c", "examples/annexb.c", "examples/manual.c", "examples/pseudo.c"} {
				args := append([]string{"-std=c99", "-Iinclude"}, warnings...)
				if strings.HasPrefix(source, "examples") {
					if len(c) > 2 {
						continue // of the analyzer, the library
					}
					args = append(args, "-Wno-cast-qual", "-Wno-write-strings") // literals for char *, as firmware has them
				}
				run(t, csdk, c[0], append(append(args, c[1:]...), "-c", "-o", filepath.Join(t.TempDir(), "x.o"), source)...)
			}
		})
	}
}
