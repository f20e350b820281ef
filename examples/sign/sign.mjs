// Signs with Web Crypto: in browsers, workers, Deno and Node alike.
//   node sign.mjs KEY PATH SECONDS
// A key that is sent to browsers is no secret: sign on your server, or in a worker.
export async function sign(key, path, seconds) {
  const exp = Math.floor(Date.now() / 1000) + seconds;
  const text = `${path}${path.includes("?") ? "&" : "?"}exp=${exp}`;
  const encoder = new TextEncoder();
  const secret = await crypto.subtle.importKey("raw", encoder.encode(key), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  const mac = new Uint8Array(await crypto.subtle.sign("HMAC", secret, encoder.encode(text)));
  return `${text}&sig=${Array.from(mac, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

if (globalThis.process?.argv[1]?.endsWith("sign.mjs")) {
  const [key, path, seconds] = process.argv.slice(2);
  console.log(await sign(key, path, Number(seconds)));
}
