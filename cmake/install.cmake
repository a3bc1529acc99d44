# Installed: headers, both libraries, the command, pons.pc, and a CMake package with pons::pons and pons::static.

include(CMakePackageConfigHelpers)
set_target_properties(pons_static PROPERTIES EXPORT_NAME static)
install(TARGETS pons pons_static EXPORT pons
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
if(TARGET tools_pons)
  set_target_properties(tools_pons PROPERTIES INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR}")
  install(TARGETS tools_pons RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()

set(package ${CMAKE_INSTALL_LIBDIR}/cmake/pons)
install(EXPORT pons NAMESPACE pons:: FILE ponsTargets.cmake DESTINATION ${package})
configure_package_config_file(cmake/ponsConfig.cmake.in ponsConfig.cmake INSTALL_DESTINATION ${package})
write_basic_package_version_file(ponsConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/ponsConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/ponsConfigVersion.cmake
        DESTINATION ${package})

file(RELATIVE_PATH pc_to_prefix /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(cmake/pons.pc.in pons.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/pons.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
