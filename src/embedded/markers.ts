/** The environment variable that marks the processes of one instance. */
export const instanceMarker = 'KW_EMBEDDED';

/** The environment variable that marks the processes of one container. */
export const containerMarker = 'KW_EMBEDDED_CONTAINER';
