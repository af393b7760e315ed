// What a payload schema may say: the part of JSON Schema draft 4 that RapidJSON 1.1.0 checks as the
// draft means it. RapidJSON accepts every other keyword in silence, so a schema that leans on one
// would check less than it says.
//
// Supported: type, enum (of scalars), properties, required, additionalProperties, minProperties,
// maxProperties, items (one schema), minItems, maxItems, minLength, maxLength, pattern (see
// provider_pattern.h), minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf (whole
// numbers), allOf, anyOf, oneOf, not, definitions (at the root), $ref (to #/definitions/NAME,
// alone, without cycles), title, description, $schema (draft 4's).
#pragma once

#include <rapidjson/document.h>

#include "core/provider_reader.h"

namespace outrider::core {

void lint_schema(const rapidjson::Value& root, FaultList& faults);

}  // namespace outrider::core
