#include "serve/generation.h"
#include "serve/operation.h"
#include "serve/serve_client.h"

/* The generation is that of OPEN, which `serve` has received when the operation began. */
int operation_fence(struct session *session, const struct json *open) {
    (void)open;
    int64_t generation = session->generation;
    if (generation == 0) {
        return fail(&session->failure, "INVALID_SPEC", "'generation' is missing");
    }
    if (serve_fence(session) != 0 || generation_keep(session->state->generations, generation, &session->failure) != 0) {
        return OPERATION_FAILED;
    }
    struct json_out out = {0};
    json_open(&out, NULL, '{');
    json_put_number(&out, "generation", generation);
    json_close(&out, '}');
    return session_send_json(session, FRAME_RESULT, &out);
}
