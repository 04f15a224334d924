// Who answers: a server on this machine, a notebook's kernel, or the page itself. Each is one function, `ask`.

import { fromBase64, gunzip, unpack } from "./wire.js";
import { unpackFrame } from "./packed.js";

/** An answer in words instead of what was asked for. */
export class Refusal extends Error {}

function checked(answer) {
  if (answer.header.refused) throw new Refusal(answer.header.refused);
  return answer;
}

/** The server that `splinegeo explore` started; the address of the page holds its token. */
export function serverHost(address) {
  return async (message) => {
    let response;
    try {
      response = await fetch(address, { method: "POST", body: JSON.stringify(message) });
    } catch {
      throw new Error("`splinegeo explore` does not answer any more: the picture stays, nothing new is computed. " +
        "Start it again and open the address that it prints.");
    }
    if (!response.ok) throw new Error(`the server refuses this page (${response.status}): open the address it printed last`);
    return checked(unpack(await response.arrayBuffer()));
  };
}

/** The kernel behind a widget; answers find their question by its number. */
export function kernelHost(model) {
  const waiting = new Map();
  const name = Math.random().toString(36).slice(2); // several cells may show one widget
  let asked = 0;
  model.on("msg:custom", (content, buffers) => {
    const answer = waiting.get(content?.answers);
    if (!answer) return;
    waiting.delete(content.answers);
    const { buffer, byteOffset, byteLength } = buffers[0];
    answer(unpack(buffer.slice(byteOffset, byteOffset + byteLength)));
  });
  return async (message) => {
    const id = `${name}-${asked++}`;
    const answer = new Promise((done) => waiting.set(id, done));
    model.send({ asks: id, message });
    return checked(await answer);
  };
}

/** Frames that stand in the page itself, unpacked when they are wanted; the last few are kept. */
export function pageHost(page) {
  const kept = new Map();
  const text = (id) => page.getElementById(id).textContent;
  return async ({ ask, checkpoint }) => {
    if (ask === "about") return unpack(fromBase64(text("about")).buffer);
    if (ask !== "scene") throw new Refusal("this page holds no network: nothing can be computed");
    if (!kept.has(checkpoint)) {
      const packed = await gunzip(fromBase64(text(`frame-${checkpoint}`)));
      kept.set(checkpoint, unpackFrame(unpack(packed)));
      if (kept.size > 8) kept.delete(kept.keys().next().value);
    }
    return kept.get(checkpoint);
  };
}
