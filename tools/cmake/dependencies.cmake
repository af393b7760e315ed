# Debian 12 packages only; tools/packages lists them.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(OpenSSL 3.0 REQUIRED)
find_package(tl-expected REQUIRED)
find_package(CLI11 REQUIRED)
pkg_check_modules(UV REQUIRED IMPORTED_TARGET libuv)
pkg_check_modules(CURL REQUIRED IMPORTED_TARGET libcurl)
pkg_check_modules(CARES REQUIRED IMPORTED_TARGET libcares)
pkg_check_modules(SQLITE REQUIRED IMPORTED_TARGET sqlite3)
find_package(mimalloc REQUIRED)
find_path(TOMLPLUSPLUS_INCLUDE_DIR toml++/toml.h REQUIRED)  # headers alone, without its library
# Of the Prometheus client only the core: its own server and its pushing are not linked.
pkg_check_modules(PROMETHEUS REQUIRED IMPORTED_TARGET prometheus-cpp-core)
find_path(RAPIDJSON_INCLUDE_DIR rapidjson/reader.h REQUIRED)
# RapidJSON 1.1.0 assigns to a const member in an operator that nobody calls; clang 19 refuses to look at it. Clang gets a
# copy of the headers without that operator.
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  set(header ${PROJECT_BINARY_DIR}/rapidjson/rapidjson/document.h)
  if(NOT EXISTS ${header})
    file(COPY ${RAPIDJSON_INCLUDE_DIR}/rapidjson DESTINATION ${PROJECT_BINARY_DIR}/rapidjson)
    file(READ ${header} text)
    string(REPLACE "{ s = rhs.s; length = rhs.length; }" "= delete;" text "${text}")
    file(CONFIGURE OUTPUT ${header} CONTENT "${text}" @ONLY)
  endif()
  set(RAPIDJSON_INCLUDE_DIR ${PROJECT_BINARY_DIR}/rapidjson)
endif()

# llhttp: Debian ships its C sources and header with node-llhttp; an installed libllhttp serves as well.
find_path(LLHTTP_SOURCE_DIR llhttp.c PATHS /usr/share/llhttp REQUIRED NO_DEFAULT_PATH)
find_path(LLHTTP_INCLUDE_DIR llhttp.h PATHS /usr/share/include/llhttp REQUIRED NO_DEFAULT_PATH)

# For programs: what one thread asks for another gives back here, and glibc's malloc makes them wait for each other. A
# sanitizer has its own.
add_library(outrider_allocator INTERFACE)
if(NOT OUTRIDER_SANITIZE)
  target_link_libraries(outrider_allocator INTERFACE mimalloc)
endif()
