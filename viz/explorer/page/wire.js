// Messages: a small header of JSON, then raw arrays.
//
//   "sgx1" | length of the header, uint32 | header, padded so that what follows starts at a multiple of 8 | arrays
//
// The header's entry `arrays` says of each array: [kind, first byte after the header, number of entries].

const KINDS = {
  f4: Float32Array,
  f8: Float64Array,
  u1: Uint8Array,
  u2: Uint16Array,
  u4: Uint32Array,
  i2: Int16Array,
  i4: Int32Array,
};
const MAGIC = 0x31786773;

/** The header and the arrays of one message; the arrays are views of its bytes. */
export function unpack(buffer) {
  const words = new DataView(buffer);
  if (buffer.byteLength < 8 || words.getUint32(0, true) !== MAGIC) {
    throw new Error("the answer is not a message of splinegeo: are page and server of one version?");
  }
  const size = words.getUint32(4, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, size)));
  const arrays = {};
  for (const [name, [kind, start, count]] of Object.entries(header.arrays)) {
    arrays[name] = new KINDS[kind](buffer, 8 + size + start, count);
  }
  return { header, arrays };
}

/** Bytes of a text in base64. */
export function fromBase64(text) {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

/** What gzip packed, by the browser's own decoder. */
export async function gunzip(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}
