"""Names of the features that ingestion writes, the model reads and a client sends."""

USER_ID = "user_id"
ITEM_ID = "item_id"
ENGAGED = "engaged"
TIMESTAMP = "timestamp"
SESSION_LENGTH = "session_length"
REQUEST_TIMESTAMP = "request_timestamp"
TARGET_ITEM_ID = "target_item_id"
TARGET_ENGAGED = "target_engaged"

# Flat over all sessions of a user; SESSION_LENGTH splits them into sessions.
EVENT_FEATURES = (ITEM_ID, ENGAGED, TIMESTAMP)
REQUEST_FEATURES = (USER_ID, *EVENT_FEATURES, SESSION_LENGTH, REQUEST_TIMESTAMP)
TARGET_FEATURES = (TARGET_ITEM_ID, TARGET_ENGAGED)
ALL = (*REQUEST_FEATURES, *TARGET_FEATURES)

# Transform's output: where an item stands in the vocabulary and in the item table.
ITEM_INDEX = "item_index"
ITEM_ROW = "item_row"

PADDING_INDEX = 0
PADDING_ITEM_ID = ""

ITEM_VOCABULARY = "item_id"

TRAIN_SPLIT = "train"
EVAL_SPLIT = "eval"
TEST_SPLIT = "test"
# Histories as `test` has them, of all users: what the model that is served is trained on.
REFIT_SPLIT = "refit"
SPLITS = (TRAIN_SPLIT, EVAL_SPLIT, TEST_SPLIT, REFIT_SPLIT)
