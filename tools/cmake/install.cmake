# Install rules and find_package(outrider): the binary, the static libraries behind outrider::outrider, the public
# headers, the schemas. A consumer names outrider::outrider alone; what it stands on comes along.
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/outrider)

set_target_properties(outrider_engine PROPERTIES EXPORT_NAME outrider)
add_library(outrider::outrider ALIAS outrider_engine)

install(TARGETS outrider_cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS
  outrider_engine outrider_api outrider_core outrider_crypto outrider_net outrider_llhttp outrider_storage outrider_sqlite
  outrider_schemas
  EXPORT outrider ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY engine/include/outrider DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(DIRECTORY schemas/ DESTINATION ${CMAKE_INSTALL_DATADIR}/outrider
  FILES_MATCHING PATTERN "*.json" PATTERN "*.sql" PATTERN "*.yaml")
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

install(EXPORT outrider NAMESPACE outrider:: FILE outrider-targets.cmake DESTINATION ${package_dir})
configure_package_config_file(tools/cmake/outrider-config.cmake.in ${PROJECT_BINARY_DIR}/outrider-config.cmake
  INSTALL_DESTINATION ${package_dir} NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/outrider-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES
  ${PROJECT_BINARY_DIR}/outrider-config.cmake ${PROJECT_BINARY_DIR}/outrider-config-version.cmake
  DESTINATION ${package_dir})
