# outrider_embed(<output.cc> <root> <file>...): the files' bytes as one C++ source; see schemas/embedded.h.
function(outrider_embed output root)
  list(JOIN ARGN "|" files)
  add_custom_command(OUTPUT ${output}
    COMMAND ${CMAKE_COMMAND} -DOUTPUT=${output} -DROOT=${root} "-DFILES=${files}"
            -P ${PROJECT_SOURCE_DIR}/tools/cmake/embed_files.cmake
    DEPENDS ${ARGN} ${PROJECT_SOURCE_DIR}/tools/cmake/embed_files.cmake
    VERBATIM)
endfunction()
