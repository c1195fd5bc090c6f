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
