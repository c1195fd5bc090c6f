// SPDX-License-Identifier: Apache-2.0

/** A little muxer: MPEG-TS as cameras send it, one H.264 stream. */

const packetSize = 188;

function packets(pid: number, payload: Uint8Array): Uint8Array[] {
  const made: Uint8Array[] = [];
  for (let at = 0; at < payload.length || made.length === 0;) {
    const p = new Uint8Array(packetSize).fill(0xff);
    const room = packetSize - 4;
    const part = payload.subarray(at, at + room);
    p.set([0x47, (made.length === 0 ? 0x40 : 0) | (pid >> 8), pid & 0xff, part.length < room ? 0x30 : 0x10]);
    if (part.length < room) { // stuffing goes into an adaptation field
      const field = room - part.length;
      p[4] = field - 1;
      if (field > 1) {
        p[5] = 0;
      }
    }
    p.set(part, packetSize - part.length);
    made.push(p);
    at += part.length;
  }
  return made;
}

/** table makes a section with its pointer field; the checksum is not looked at by anybody here. */
const table = (id: number, rest: number[]): Uint8Array =>
  Uint8Array.from([0, id, 0xb0, rest.length + 5 + 4, 0, 1, 0xc1, 0, 0, ...rest, 0, 0, 0, 0]);

const pes = (stream: number, es: Uint8Array): Uint8Array =>
  Uint8Array.from([0, 0, 1, stream, 0, 0, 0x80, 0x80, 5, 0x21, 0, 1, 0, 1, ...es]);

/** annexB joins units with start codes of four bytes. */
export const annexB = (...units: Uint8Array[]): Uint8Array => Uint8Array.from(units.flatMap((u) => [0, 0, 0, 1, ...u]));

export interface Stream {
  videoPid?: number;
  type?: number;
  /** descriptors of the program, which a reader has to pass over */
  programInfo?: number[];
  access: readonly Uint8Array[];
}

/** segment makes one: tables, then each access unit in a packet of its own, with a packet of sound between them. */
export function segment({ videoPid = 0x100, type = 0x1b, programInfo = [], access }: Stream): Uint8Array {
  const pmt = 0x1000;
  const all = [
    ...packets(0, table(0, [0, 1, 0xe0 | (pmt >> 8), pmt & 0xff])),
    ...packets(pmt, table(2, [
      0xe0 | (videoPid >> 8), videoPid & 0xff, 0xf0, programInfo.length, ...programInfo,
      0x0f, 0xe1, 0x01, 0xf0, 3, 0x0a, 1, 0, // sound comes first in the map
      type, 0xe0 | (videoPid >> 8), videoPid & 0xff, 0xf0, 0,
    ])),
    ...access.flatMap((es) => [...packets(videoPid, pes(0xe0, es)), ...packets(0x101, pes(0xc0, new Uint8Array(40).fill(7)))]),
  ];
  const bytes = new Uint8Array(all.length * packetSize);
  all.forEach((p, i) => bytes.set(p, i * packetSize));
  return bytes;
}
