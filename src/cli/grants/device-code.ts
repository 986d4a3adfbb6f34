/** `--grant device_code`: the user enters a code in a browser on any machine (RFC 8628). */
import type { Token } from "../../index.js";
import type { GrantCall } from "./grant-call.js";

/** The user code goes to standard error, even with `--json`, because the user must enter it. */
export function deviceCode({ client, request, context: { output } }: GrantCall): Promise<Token> {
  return client.deviceCode({
    ...request,
    show: ({ userCode, verificationUri, verificationUriComplete }) => {
      output.prompt(`Open ${verificationUri} and enter ${userCode}`);
      if (verificationUriComplete !== null) output.prompt(`or open ${verificationUriComplete}`);
    },
  });
}
