// SPDX-License-Identifier: Apache-2.0

/**
 * Finds the first picture of a segment in its first bytes: enough of MPEG-TS (ISO/IEC 13818-1) and H.264 (Annex B) to
 * hand an IDR to a decoder. Pure. Anything unexpected gives undefined, never an exception.
 */

/** A picture that decodes alone. */
export interface Idr {
  /** SPS, PPS and the slices, with start codes */
  data: Uint8Array<ArrayBuffer>;
  /** as decoders name it: "avc1.64001f" */
  codec: string;
  /** the bytes end before the picture does: more of the segment is needed to be sure of it */
  cut: boolean;
}

const packet = 188;

/** findIdr looks through the first bytes of a segment. */
export function findIdr(bytes: Uint8Array): Idr | undefined {
  const access = firstAccessUnit(bytes);
  if (access === undefined) {
    return undefined;
  }
  const units = nalUnits(access.data);
  const sps = units.find((u) => type(u) === 7);
  const slices = units.filter((u) => type(u) === 5);
  if (sps === undefined || sps.length < 4 || slices.length === 0) {
    return undefined;
  }
  const wanted = units.filter((u) => [5, 7, 8].includes(type(u)));
  const data = new Uint8Array(wanted.reduce((n, u) => n + 4 + u.length, 0));
  let at = 0;
  for (const u of wanted) {
    data.set([0, 0, 0, 1], at);
    data.set(u, at + 4);
    at += 4 + u.length;
  }
  const codec = `avc1.${[1, 2, 3].map((i) => (sps[i] ?? 0).toString(16).padStart(2, '0')).join('')}`;
  return { data, codec, cut: access.cut };
}

const type = (unit: Uint8Array): number => (unit[0] ?? 0) & 0x1f;

/** firstAccessUnit joins the payload of the first PES packet of the H.264 stream that the program map names. */
function firstAccessUnit(bytes: Uint8Array): { data: Uint8Array; cut: boolean } | undefined {
  let map: number | undefined;
  let video: number | undefined;
  const parts: Uint8Array[] = [];
  let begun = false;
  let ended = false;
  for (let at = 0; at + packet <= bytes.length && !ended; at += packet) {
    const p = bytes.subarray(at, at + packet);
    if (p[0] !== 0x47) {
      return undefined;
    }
    const pid = (((p[1] ?? 0) & 0x1f) << 8) | (p[2] ?? 0);
    const unitStart = ((p[1] ?? 0) & 0x40) !== 0;
    const control = ((p[3] ?? 0) >> 4) & 3;
    const from = control === 3 ? 5 + (p[4] ?? 0) : 4;
    if ((control & 1) === 0 || from >= packet) {
      continue;
    }
    const payload = p.subarray(from);
    if (pid === 0 && unitStart && map === undefined) {
      const t = section(payload);
      map = t === undefined || t.length < 12 ? undefined : (((t[10] ?? 0) & 0x1f) << 8) | (t[11] ?? 0);
    } else if (pid === map && unitStart && video === undefined) {
      video = videoPid(section(payload));
    } else if (pid === video) {
      if (!unitStart) {
        if (begun) {
          parts.push(payload);
        }
      } else if (begun) {
        ended = true;
      } else if (payload[0] === 0 && payload[1] === 0 && payload[2] === 1) {
        begun = true;
        parts.push(payload.subarray(9 + (payload[8] ?? 0)));
      }
    }
  }
  if (!begun) {
    return undefined;
  }
  const data = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let n = 0;
  for (const p of parts) {
    data.set(p, n);
    n += p.length;
  }
  return { data, cut: !ended };
}

/** section returns a table section from its table_id on. */
function section(payload: Uint8Array): Uint8Array | undefined {
  const start = 1 + (payload[0] ?? 0);
  const s = payload.subarray(start);
  const length = 3 + ((((s[1] ?? 0) & 0x0f) << 8) | (s[2] ?? 0));
  return length > s.length ? undefined : s.subarray(0, length);
}

function videoPid(t: Uint8Array | undefined): number | undefined {
  if (t === undefined || t.length < 12) {
    return undefined;
  }
  for (let at = 12 + ((((t[10] ?? 0) & 0x0f) << 8) | (t[11] ?? 0)); at + 5 <= t.length - 4;) {
    if (t[at] === 0x1b) {
      return (((t[at + 1] ?? 0) & 0x1f) << 8) | (t[at + 2] ?? 0);
    }
    at += 5 + ((((t[at + 3] ?? 0) & 0x0f) << 8) | (t[at + 4] ?? 0));
  }
  return undefined;
}

/** nalUnits splits at start codes. Zero bytes before the next start code belong to no unit. */
function nalUnits(b: Uint8Array): Uint8Array[] {
  const units: Uint8Array[] = [];
  let start = -1;
  for (let i = 0; i + 3 <= b.length; i++) {
    if (b[i] === 0 && b[i + 1] === 0 && b[i + 2] === 1) {
      if (start >= 0) {
        units.push(trimmed(b.subarray(start, i)));
      }
      start = i + 3;
      i += 2;
    }
  }
  if (start >= 0) {
    units.push(trimmed(b.subarray(start)));
  }
  return units.filter((u) => u.length > 0);
}

function trimmed(u: Uint8Array): Uint8Array {
  let end = u.length;
  while (end > 0 && u[end - 1] === 0) {
    end--;
  }
  return u.subarray(0, end);
}
