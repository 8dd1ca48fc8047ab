/** The variable that marks the processes of one instance. */
export const INSTANCE_MARKER = 'KW_EMBEDDED';

/** The variable that marks the processes of one container. */
export const CONTAINER_MARKER = 'KW_EMBEDDED_CONTAINER';
