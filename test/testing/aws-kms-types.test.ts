/** The words of the emulator are those of the SDK. */
import type * as sdk from "@aws-sdk/client-kms";
import { expectTypeOf, it } from "vitest";
import type * as emulator from "../../testing/emulators/aws-kms-types.js";

it("has the same types as the SDK", () => {
  expectTypeOf<emulator.KeySpec>().toEqualTypeOf<sdk.KeySpec>();
  expectTypeOf<emulator.KeyState>().toEqualTypeOf<sdk.KeyState>();
  expectTypeOf<emulator.KeyUsageType>().toEqualTypeOf<sdk.KeyUsageType>();
  expectTypeOf<emulator.OriginType>().toEqualTypeOf<sdk.OriginType>();
  expectTypeOf<emulator.MessageType>().toEqualTypeOf<sdk.MessageType>();
  expectTypeOf<emulator.SigningAlgorithmSpec>().toEqualTypeOf<sdk.SigningAlgorithmSpec>();
});
