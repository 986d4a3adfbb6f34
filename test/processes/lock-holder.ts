/**
 * Locks the token `k` in the store of its argument, and sends `locked`. After a message it writes the token, and sends
 * `written` or the error's code.
 */
import { once } from "node:events";
import { openStore } from "../token-stores/open-store.js";

const { store } = await openStore(JSON.parse(process.argv[2] ?? ""));
await store.lock?.("k", async () => {
  process.send?.("locked");
  await once(process, "message");
  const token = { raw: { access_token: "of the holder" }, refreshToken: "r", expiresAt: null };
  const result = await store.set("k", token).then(
    () => "written",
    (error) => error.code,
  );
  process.send?.(result);
});
process.exit();
