/** How a command ends: 0, 1, and codes of `sysexits.h`. */
export const ExitCode = {
  /** The command did what it was asked for. */
  Ok: 0,
  /** A check has failed, or the command's own result is negative. */
  Failure: 1,
  /** The arguments are wrong. */
  Usage: 64,
  /** The API server, the database or a store is not available. */
  Unavailable: 69,
  /** A fault of the program. */
  Internal: 70,
  /** The command may succeed if it is repeated later. */
  Temporary: 75,
  /** The configuration is invalid, or Node is too old. */
  Configuration: 78,
} as const;
