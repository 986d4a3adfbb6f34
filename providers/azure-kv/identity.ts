/** Who an access token was issued to, so that an operator sees which credential was used. */

/** The applications with which people sign in (Entra documentation, "Verify first-party Microsoft applications"). */
const SIGN_IN_TOOLS: Readonly<Record<string, string>> = {
  "04b07795-8ddb-461a-bbee-02f9e1bf7b46": "Azure CLI",
  "1950a258-227b-4e31-a9cf-717495945fc2": "Azure PowerShell",
  "aebc6443-996d-45c2-90f0-388ff96faa56": "Visual Studio Code",
};

/**
 * Describes the caller in a token, which is a JWT of Entra. Its signature isn't verified.
 *
 * @returns Such as `managed identity 0a7b… of tenant 72f9…`. Never contains the token.
 */
export function describeIdentity(token: string): string {
  const { appid, azp, oid, tid, xms_mirid: managedIdentity } = claimsOf(token);
  const client = text(appid) ?? text(azp);
  const tool = client && SIGN_IN_TOOLS[client];
  if (!client && !text(tid)) return "a token was issued";
  const caller = tool
    ? `${tool}, object ${text(oid)}`
    : `${managedIdentity ? "managed identity" : "application"} ${client}`;
  return `${caller}, of tenant ${text(tid)}`;
}

function claimsOf(token: string): Record<string, unknown> {
  try {
    return Object(JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()));
  } catch {
    return {};
  }
}

/** Claims that are printed are identifiers. */
function text(claim: unknown): string | undefined {
  return typeof claim === "string" && /^[\w.-]{1,64}$/.test(claim) ? claim : undefined;
}
