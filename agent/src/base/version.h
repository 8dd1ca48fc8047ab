#ifndef KW_VERSION_H
#define KW_VERSION_H

#define AGENT_VERSION "0.1.0"
#define AGENT_MAGIC "kubernetes-worker"
#define PROTOCOL_LOWEST 1
#define PROTOCOL_HIGHEST 4
/* The first version with OPENED for `stop` and with reports of the owner of stdin. */
#define PROTOCOL_OWNERSHIP 3
/* The format of the state directory. */
#define STATE_FORMAT "1\n"

/* The name that `kubernetes.io/arch` uses. */
#if defined(__x86_64__)
#define AGENT_ARCH "amd64"
#elif defined(__aarch64__)
#define AGENT_ARCH "arm64"
#else
#error "the agent is built for x86-64 and arm64"
#endif

#endif
