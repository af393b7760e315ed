#include "outrider/outrider.h"
