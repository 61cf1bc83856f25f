// What was dropped: files as they are, and of folders the photos in them and in the folders below.

// Endings that are taken from a folder, as `mien predict` takes them; a file that is dropped itself may have any.
const PHOTO = /\.(jpe?g|jpe|jfif|mpo|a?png|gif|bmp|dib|p[pg]m|webp|avif|tiff?|hei[cf])$/i;

/**
 * @param {DataTransfer} transfer of a drop; it must be asked before anything is waited for.
 * @returns {Promise<{file: File, name: string}[]>} in the order of their names, which begin with the folder.
 */
export async function droppedPhotos(transfer) {
  const files = [...transfer.files];
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.() ?? null);
  if (!entries.some((entry) => entry?.isDirectory)) return files.map((file) => ({ file, name: file.name }));
  const found = [];
  for (const entry of entries.filter((one) => one !== null)) found.push(...(await photosOf(entry, true)));
  return found;
}

async function photosOf(entry, itself = false) {
  if (entry.isFile) {
    // A leading dot: previews and resource forks that systems leave beside photos.
    if (!itself && (entry.name.startsWith('.') || !PHOTO.test(entry.name))) return [];
    return [{ file: await new Promise((resolve, reject) => entry.file(resolve, reject)), name: entry.fullPath.slice(1) }];
  }
  const inside = await entriesOf(entry.createReader());
  inside.sort((one, other) => (one.name < other.name ? -1 : 1));
  const found = [];
  for (const one of inside) found.push(...(await photosOf(one)));
  return found;
}

/** A browser gives a hundred at a time. */
async function entriesOf(reader) {
  const entries = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return entries;
    entries.push(...some);
  }
}
