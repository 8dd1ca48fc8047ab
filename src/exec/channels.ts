/** The channels of a Kubernetes exec: the first byte of each message says which one it is for. */
export const channels = { stdin: 0, stdout: 1, stderr: 2, status: 3, resize: 4, close: 255 } as const;
