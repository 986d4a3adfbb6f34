/** Object identifiers in dotted notation, such as `1.3.6.1.5.5.7.3.2`. */

/** Below 0 and 1, the second number is at most 39: DER combines the first two (X.690 §8.19.4). */
const NUMBERS = /^(?:[01]\.(?:[12]?\d|3\d)|2\.(?:0|[1-9]\d*))(?:\.(?:0|[1-9]\d*))*$/;
/** @peculiar/x509 encodes some larger numbers wrongly. */
const LARGEST = 2 ** 32 - 1;

/** Returns whether a text is an object identifier that @peculiar/x509 encodes as it is written. */
export function isObjectIdentifier(text: string): boolean {
  return NUMBERS.test(text) && text.split(".").every((number) => Number(number) <= LARGEST);
}
