# Flags every target of ours is built with.
add_library(outrider_flags INTERFACE)
# A designated initialiser leaves the rest at its default on purpose.
target_compile_options(outrider_flags INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Werror -Wshadow -Wnon-virtual-dtor -Wno-missing-field-initializers>
  -fstack-protector-strong)
# g++ 12 warns falsely inside its own std::string and std::variant once they are inlined (GCC bugs 105329, 105562, 105593).
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(outrider_flags INTERFACE
    $<$<COMPILE_LANGUAGE:CXX>:-Wno-restrict -Wno-maybe-uninitialized -Wno-stringop-overflow>)
endif()
target_compile_definitions(outrider_flags INTERFACE _GLIBCXX_ASSERTIONS)
if(NOT OUTRIDER_SANITIZE AND NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
  target_compile_options(outrider_flags INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
endif()
target_link_options(outrider_flags INTERFACE -Wl,-z,relro,-z,now)
# What nothing refers to, most of it instances of templates, stays out of the program.
target_compile_options(outrider_flags INTERFACE $<$<CONFIG:Release>:-ffunction-sections -fdata-sections>)
target_link_options(outrider_flags INTERFACE $<$<CONFIG:Release>:-Wl,--gc-sections>)
if(OUTRIDER_SANITIZE)
  target_compile_options(outrider_flags INTERFACE
    -fsanitize=${OUTRIDER_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(outrider_flags INTERFACE -fsanitize=${OUTRIDER_SANITIZE})
endif()

# outrider_library(<target> [DEPENDS <public>...] [PRIVATE <private>...])
# A directory is a target: every .cc beside the CMakeLists.txt that calls this belongs to it.
function(outrider_library target)
  cmake_parse_arguments(ARG "" "" "DEPENDS;PRIVATE" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
  add_library(${target} STATIC ${sources})
  target_include_directories(${target} PUBLIC
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/engine/include>
    $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/engine ${PROJECT_SOURCE_DIR})
  target_link_libraries(${target} PUBLIC ${ARG_DEPENDS} PRIVATE $<BUILD_INTERFACE:outrider_flags> ${ARG_PRIVATE})
endfunction()
