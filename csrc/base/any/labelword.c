#include "base/any/labelword.h"

_Thread_local struct label_word label_word_own;
_Atomic(struct label_place *) label_place;
