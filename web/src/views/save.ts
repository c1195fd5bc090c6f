// SPDX-License-Identifier: Apache-2.0

/** save hands a file to the browser's downloads. */
export function save(file: Blob, name: string): void {
  const url = URL.createObjectURL(file);
  const a = document.createElement('a');
  a.href = url;
  a.download = name;
  document.body.append(a);
  a.click();
  a.remove();
  setTimeout(() => URL.revokeObjectURL(url), 60_000); // the download has begun by then
}

/** saveLink lets the browser download an address by itself; the server says that it is a file, and how it is called. */
export function saveLink(url: string): void {
  const a = document.createElement('a');
  a.href = url;
  a.download = '';
  a.rel = 'noreferrer';
  document.body.append(a);
  a.click();
  a.remove();
}

/** A file on the disk that is written as it comes. */
export interface DiskFile {
  write(part: Uint8Array<ArrayBuffer>): Promise<void>;
  /** close keeps the file */
  close(): Promise<void>;
  /** abort leaves nothing behind */
  abort(): Promise<void>;
}

interface Picker {
  showSaveFilePicker(options: { suggestedName: string }): Promise<{ createWritable(): Promise<DiskFile> }>;
}

/** canWriteToDisk tells whether this browser lets pages write a file as it comes: one family, over TLS or on this computer only. */
export function canWriteToDisk(): boolean {
  return 'showSaveFilePicker' in window;
}

/** toDisk asks the viewer where to put a file; undefined when that was called off. To be called from a click. */
export async function toDisk(name: string): Promise<DiskFile | undefined> {
  try {
    const file = await (window as unknown as Picker).showSaveFilePicker({ suggestedName: name });
    return await file.createWritable();
  } catch {
    return undefined;
  }
}
