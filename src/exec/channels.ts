/** The channels of a Kubernetes exec, by the numbers that WebSocket's messages begin with. */
export const channels = { stdin: 0, stdout: 1, stderr: 2, status: 3, resize: 4, close: 255 } as const;
