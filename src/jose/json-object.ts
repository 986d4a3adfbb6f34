/** JSON objects, and the parts of a JWS in compact form that contain one (RFC 7515 §7.1). */

/** Whether the value is a JSON object. */
export function isJsonObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Decodes the header or the payload of a JWS. Returns `undefined` unless it is a JSON object. */
export function decodePart(part: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, "base64url").toString());
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
