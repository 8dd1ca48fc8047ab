/**
 * The channels of a Kubernetes exec. Over WebSocket each message begins with one of these numbers.
 */
export const channels = { stdin: 0, stdout: 1, stderr: 2, status: 3, resize: 4, close: 255 } as const;
