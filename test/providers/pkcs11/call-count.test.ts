/** How many calls a library receives. For a network HSM, each one is a round trip. */
import { expect, it } from "vitest";
import { useToken } from "../../../providers/pkcs11/token-use.js";
import { faultyToken } from "../../shim/faulty-token.js";

const { hsm, shim, newSigner } = await faultyToken("counted");
const { algorithm, publicKey, forceLogin, sessions } = {} as Record<string, undefined>;
const loadLibrary = (binding: "graphene-pk11" | "koffi") =>
  useToken({
    ...{ module: shim.module, token: { label: hsm.token }, key: { label: hsm.key.label }, pin: hsm.pin },
    ...{ binding, maxWaiting: 0, isolate: false, algorithm, publicKey, forceLogin, sessions },
  });

// pkcs11js, the addon of graphene-pk11, reads the lengths of attributes in a call of its own. SoftHSM returns the objects of
// a key pair in any order: with the public key first, one more call finds out that it doesn't have a private key's attributes.
it.each([
  ["koffi", [8, 9]],
  ["graphene-pk11", [10, 11]],
] as const)("opens a key with a loaded library through %s with %j calls, login included", async (binding, calls) => {
  const library = await loadLibrary(binding);
  const before = shim.total();
  await using signer = newSigner({ binding });
  await signer.publicJwk();
  const count = shim.total() - before;
  await library.close();
  expect(calls).toContain(count);
});

it("signs with two calls", async () => {
  await using signer = newSigner();
  await signer.publicJwk();
  const before = shim.total();
  await signer.sign(Buffer.from("x"));
  expect(shim.total() - before).toBe(2);
});
