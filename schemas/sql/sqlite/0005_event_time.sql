-- Events by the time of their acceptance, for replays of a range. Ids follow the order of commits, and a clock may have
-- been set back between two of them. New entries go to the end of the index: it costs twelve bytes an event.
CREATE INDEX outrider_event_by_time ON outrider_event (created_at);
