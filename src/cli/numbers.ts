/** Numbers on the command line. */
import { InvalidArgumentError } from "commander";

/** Seconds. A day at most: longer than any timer here needs to be. */
export function positiveNumber(text: string): number {
  const value = Number(text);
  if (text.trim() !== "" && value > 0 && value <= 86_400) return value;
  throw new InvalidArgumentError("It must be a number greater than 0, at most 86400.");
}

export function wholePositive(text: string): number {
  const value = Number(text);
  if (text.trim() !== "" && Number.isSafeInteger(value) && value > 0) return value;
  throw new InvalidArgumentError("It must be a whole number greater than 0.");
}

/** An index: 0 or more. */
export function wholeNumber(text: string): number {
  const value = Number(text);
  if (text.trim() !== "" && Number.isSafeInteger(value) && value >= 0) return value;
  throw new InvalidArgumentError("It must be a whole number, 0 or greater.");
}

/** Bytes of an IP packet. */
export function packetLength(text: string): number {
  const value = Number(text);
  if (text.trim() !== "" && Number.isSafeInteger(value) && value >= 20 && value <= 65_535) return value;
  throw new InvalidArgumentError("It must be a whole number from 20 to 65535.");
}
