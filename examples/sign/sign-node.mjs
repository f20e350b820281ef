// Signs with Node's own crypto.
//   node sign-node.mjs KEY PATH SECONDS
import { createHmac } from "node:crypto";

export function sign(key, path, seconds) {
  const exp = Math.floor(Date.now() / 1000) + seconds;
  const text = `${path}${path.includes("?") ? "&" : "?"}exp=${exp}`;
  return `${text}&sig=${createHmac("sha256", key).update(text).digest("hex")}`;
}

const [key, path, seconds] = process.argv.slice(2);
console.log(sign(key, path, Number(seconds)));
